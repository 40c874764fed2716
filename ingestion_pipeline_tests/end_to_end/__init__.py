"""The whole project in real processes: command line, ``dagster dev``, git, hosts and stores."""
