(class name: (_) @name.qualified superclass: (_)? @head) @definition.class
(module name: (_) @name.qualified) @definition.class
(method name: (_) @name parameters: (_)? @head) @definition.function
(singleton_method name: (_) @name parameters: (_)? @head) @definition.function
(superclass (_) @base)
(call method: (identifier) @base.function arguments: (argument_list (_) @base.argument))
(call method: (identifier) arguments: (argument_list . (method) @wrapped)) @wrapper
(call method: (identifier) @call)
(call receiver: [(constant) @call (scope_resolution name: (constant) @call)]
  method: (identifier) @call.new)
(call method: (identifier) @import.function arguments: (argument_list . (string) @import.argument))
(comment) @comment
; A name alone on a line is nearly always a call without arguments.
(body_statement (identifier) @call)
(block_body (identifier) @call)
(then (identifier) @call)
