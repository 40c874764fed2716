(abstract_class_declaration name: (_) @name body: (_) @body) @definition.class
(interface_declaration name: (_) @name body: (_) @body) @definition.class
(enum_declaration name: (_) @name body: (_) @body) @definition.class
(type_alias_declaration name: (_) @name value: (object_type) @body) @definition.class
(internal_module name: (_) @name body: (_) @body) @definition.namespace
(ambient_declaration (function_signature name: (_) @name) @definition.function)
(public_field_definition
  name: [(property_identifier) (private_property_identifier)] @name
  value: [(arrow_function body: (_) @body) (function_expression body: (_) @body)]
  ) @definition.function
(ambient_declaration (_) @wrapped) @wrapper
(import_require_clause source: (string) @import)
(extends_clause value: (_) @base)
(implements_clause [(type_identifier) (generic_type) (nested_type_identifier)] @base)
(extends_type_clause [(type_identifier) (generic_type) (nested_type_identifier)] @base)
