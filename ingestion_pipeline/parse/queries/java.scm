(class_declaration name: (identifier) @name body: (_) @body) @definition.class
(interface_declaration name: (identifier) @name body: (_) @body) @definition.class
(enum_declaration name: (identifier) @name body: (_) @body) @definition.class
(record_declaration name: (identifier) @name body: (_) @body) @definition.class
(annotation_type_declaration name: (identifier) @name body: (_) @body) @definition.class
(method_declaration name: (identifier) @name body: (_)? @body) @definition.method
(constructor_declaration name: (identifier) @name body: (_) @body) @definition.method
(compact_constructor_declaration name: (identifier) @name body: (_) @body) @definition.method
(superclass (_) @base)
(super_interfaces (type_list (_) @base))
(extends_interfaces (type_list (_) @base))
[(annotation) (marker_annotation)] @attribute
(method_invocation name: (identifier) @call)
(object_creation_expression
  type: [
    (type_identifier) @call
    (scoped_type_identifier (type_identifier) @call .)
    (generic_type . [(type_identifier) @call (scoped_type_identifier (type_identifier) @call .)])
  ])
(method_reference (identifier) @call .)
(import_declaration [(scoped_identifier) (identifier)] @import.module (asterisk) @import.wildcard)
(import_declaration [(scoped_identifier) (identifier)] @import .)
[(line_comment) (block_comment)] @comment
