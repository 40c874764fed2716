(struct_item name: (type_identifier) @name body: (_)? @body) @definition.class
(enum_item name: (type_identifier) @name body: (_) @body) @definition.class
(union_item name: (type_identifier) @name body: (_) @body) @definition.class
(trait_item name: (type_identifier) @name body: (_) @body) @definition.class
(function_item name: (identifier) @name body: (_) @body) @definition.function
(function_signature_item name: (identifier) @name) @definition.function
(macro_definition name: (identifier) @name @head) @definition.function
(impl_item type: (_) @name) @definition.impl
(mod_item name: (identifier) @name body: (_) @body) @definition.namespace
(impl_item trait: (_) @base)
(trait_item bounds: (trait_bounds [(type_identifier) (generic_type) (scoped_type_identifier)] @base))
(attribute_item) @attribute
(call_expression
  function: [
    (identifier) @call
    (field_expression field: (field_identifier) @call)
    (scoped_identifier name: (identifier) @call)
    (generic_function
      function: [
        (identifier) @call
        (field_expression field: (field_identifier) @call)
        (scoped_identifier name: (identifier) @call)
      ])
  ])
(macro_invocation macro: [(identifier) @call (scoped_identifier name: (identifier) @call)])
(struct_expression
  name: [(type_identifier) @call (scoped_type_identifier name: (type_identifier) @call)])
(use_declaration argument: (_) @import.use)
(mod_item !body name: (identifier) @import.mod)
(extern_crate_declaration name: (identifier) @import)
(line_comment) @comment
(block_comment) @comment
