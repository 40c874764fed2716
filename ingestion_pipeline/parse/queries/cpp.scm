; Comes after c.scm.
(class_specifier name: (_) @name.qualified body: (_) @body) @definition.class
(namespace_definition name: (_) @name.qualified body: (_) @body) @definition.namespace
(function_definition
  declarator: (function_declarator
    declarator: [
      (field_identifier) (destructor_name) (operator_name) (qualified_identifier)
    ] @name.qualified)
  body: (_) @body) @definition.function
(function_definition
  declarator: (_
    (function_declarator
      declarator: [
        (identifier) (field_identifier) (operator_name) (qualified_identifier)
      ] @name.qualified))
  body: (_) @body) @definition.function
(template_declaration (_) @wrapped) @wrapper
(base_class_clause [(type_identifier) (qualified_identifier) (template_type)] @base)
(call_expression
  function: [
    (template_function name: (identifier) @call)
    (qualified_identifier
      name: [
        (identifier) @call
        (template_function name: (identifier) @call)
        (qualified_identifier
          name: [(identifier) @call (template_function name: (identifier) @call)])
      ])
    (field_expression
      field: [
        (template_method name: (field_identifier) @call)
        (dependent_name (template_method name: (field_identifier) @call))
      ])
  ])
(new_expression
  type: [
    (type_identifier) @call
    (template_type name: (type_identifier) @call)
    (qualified_identifier name: (type_identifier) @call)
  ])
