(class_declaration name: (identifier) @name body: (_)? @body) @definition.class
(interface_declaration name: (identifier) @name body: (_)? @body) @definition.class
(struct_declaration name: (identifier) @name body: (_)? @body) @definition.class
(record_declaration name: (identifier) @name body: (_)? @body) @definition.class
(enum_declaration name: (identifier) @name body: (_)? @body) @definition.class
(method_declaration name: (identifier) @name body: (_)? @body) @definition.method
(constructor_declaration name: (identifier) @name body: (_)? @body) @definition.method
(local_function_statement name: (identifier) @name body: (_)? @body) @definition.function
(class_declaration (base_list [(identifier) (generic_name) (qualified_name)] @base))
(interface_declaration (base_list [(identifier) (generic_name) (qualified_name)] @base))
(struct_declaration (base_list [(identifier) (generic_name) (qualified_name)] @base))
(record_declaration (base_list [(identifier) (generic_name) (qualified_name)] @base))
(primary_constructor_base_type type: (_) @base)
(attribute_list) @attribute
(invocation_expression
  function: [
    (identifier) @call
    (generic_name . (identifier) @call)
    (member_access_expression name: [(identifier) @call (generic_name . (identifier) @call)])
    (conditional_access_expression
      (member_binding_expression name: [(identifier) @call (generic_name . (identifier) @call)]))
  ])
(object_creation_expression
  type: [
    (identifier) @call
    (generic_name . (identifier) @call)
    (qualified_name name: [(identifier) @call (generic_name . (identifier) @call)])
  ])
(using_directive [(identifier) (qualified_name) (alias_qualified_name) (generic_name)] @import .)
(comment) @comment
