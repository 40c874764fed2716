; C, and what C++ shares with it.
(struct_specifier name: (_) @name body: (_) @body) @definition.class
(union_specifier name: (_) @name body: (_) @body) @definition.class
(enum_specifier name: (_) @name body: (_) @body) @definition.class
(type_definition
  type: [
    (struct_specifier !name body: (_) @body)
    (union_specifier !name body: (_) @body)
    (enum_specifier !name body: (_) @body)
  ]
  declarator: (type_identifier) @name) @definition.class
(function_definition
  declarator: (function_declarator declarator: (identifier) @name)
  body: (_)? @body) @definition.function
(function_definition
  declarator: (pointer_declarator
    declarator: (function_declarator declarator: (identifier) @name))
  body: (_) @body) @definition.function
(function_definition
  declarator: (pointer_declarator
    declarator: (pointer_declarator
      declarator: (function_declarator declarator: (identifier) @name)))
  body: (_) @body) @definition.function
(preproc_function_def name: (identifier) @name value: (_)? @body) @definition.function
(type_definition type: [(struct_specifier name: (_)) (union_specifier name: (_))
  (enum_specifier name: (_))] @wrapped) @wrapper
(call_expression
  function: [(identifier) @call (field_expression field: (field_identifier) @call)])
(preproc_include path: [(string_literal) (system_lib_string)] @import.include)
(comment) @comment
