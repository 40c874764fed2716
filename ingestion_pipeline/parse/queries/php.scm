(class_declaration name: (name) @name body: (_) @body) @definition.class
(interface_declaration name: (name) @name body: (_) @body) @definition.class
(trait_declaration name: (name) @name body: (_) @body) @definition.class
(enum_declaration name: (name) @name body: (_) @body) @definition.class
(function_definition name: (name) @name body: (_) @body) @definition.function
(method_declaration name: (name) @name body: (_)? @body) @definition.method
(base_clause [(name) (qualified_name)] @base)
(class_interface_clause [(name) (qualified_name)] @base)
(use_declaration [(name) (qualified_name)] @base)
(attribute_list) @attribute
(function_call_expression function: [(name) @call (qualified_name (name) @call .)])
(member_call_expression name: (name) @call)
(nullsafe_member_call_expression name: (name) @call)
(scoped_call_expression name: (name) @call)
(object_creation_expression [(name) @call (qualified_name (name) @call .)])
(namespace_use_declaration
  (namespace_use_clause . [(name) (qualified_name)] @import))
(namespace_use_declaration
  (namespace_name) @import.group
  body: (namespace_use_group (namespace_use_clause . [(name) (qualified_name)] @import.member)))
(include_expression (_) @import.file)
(include_once_expression (_) @import.file)
(require_expression (_) @import.file)
(require_once_expression (_) @import.file)
(comment) @comment
