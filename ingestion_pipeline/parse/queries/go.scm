(type_spec name: (type_identifier) @name type: (_ (field_declaration_list) @body)) @definition.class
(type_spec name: (type_identifier) @name type: (interface_type "{" @body)) @definition.class
(type_spec name: (type_identifier) @name) @definition.class
(function_declaration name: (identifier) @name body: (block)? @body) @definition.function
(method_declaration
  receiver: (parameter_list
    (parameter_declaration
      type: [
        (type_identifier) @receiver
        (generic_type type: (type_identifier) @receiver)
        (pointer_type (type_identifier) @receiver)
        (pointer_type (generic_type type: (type_identifier) @receiver))
      ]))
  name: (field_identifier) @name
  body: (block)? @body) @definition.function
(type_declaration "type" . (type_spec) @wrapped) @wrapper
(field_declaration !name type: [(type_identifier) (qualified_type) (generic_type)] @base)
(interface_type (type_elem . [(type_identifier) (qualified_type) (generic_type)] @base .))
(call_expression
  function: [
    (identifier) @call
    (selector_expression field: (field_identifier) @call)
  ])
(type_conversion_expression
  type: [
    (type_identifier) @call
    (generic_type type: [(type_identifier) @call (qualified_type name: (type_identifier) @call)])
  ])
(composite_literal
  type: [
    (type_identifier) @call
    (qualified_type name: (type_identifier) @call)
    (generic_type type: (type_identifier) @call)
  ])
(import_spec path: (_) @import)
(comment) @comment
