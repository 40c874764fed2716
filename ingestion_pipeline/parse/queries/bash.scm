(function_definition name: (word) @name body: (_) @body) @definition.function
(command name: (command_name (word) @call))
(command name: (command_name (word) @import.function) . argument: (_) @import.argument)
(comment) @comment
