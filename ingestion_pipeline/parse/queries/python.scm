(class_definition name: (identifier) @name body: (block) @body) @definition.class
(function_definition name: (identifier) @name body: (block) @body) @definition.function
(decorated_definition definition: (_) @wrapped) @wrapper
(decorator) @attribute
(class_definition
  superclasses: (argument_list [(identifier) (attribute) (subscript) (call)] @base))
(call function: [(identifier) @call (attribute attribute: (identifier) @call)])
(decorator [(identifier) @call (attribute attribute: (identifier) @call)])
(import_statement
  name: [(dotted_name) @import (aliased_import name: (dotted_name) @import)])
(import_from_statement
  module_name: (_) @import.module
  name: [(dotted_name) @import.name (aliased_import name: (dotted_name) @import.name)])
(import_from_statement module_name: (_) @import.module (wildcard_import) @import.name)
(class_definition body: (block . (expression_statement . (string) @docstring)) @docstring.body)
(function_definition body: (block . (expression_statement . (string) @docstring)) @docstring.body)
(module . (expression_statement . (string) @docstring.file))
(module (comment) . (expression_statement . (string) @docstring.file))
(comment) @comment
