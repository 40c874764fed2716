"""What the tests ask Dagster's webserver, in its own GraphQL."""

_SELECTOR = 'repositoryLocationName: "ingestion_pipeline", repositoryName: "__repository__"'

LOCATIONS = """
query { workspaceOrError { __typename ... on Workspace { locationEntries {
    loadStatus
    locationOrLoadError { __typename ... on PythonError { message stack } }
} } } }
"""

LAUNCH = """
mutation ($parameters: ExecutionParams!) { launchRun(executionParams: $parameters) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
} }
"""

REEXECUTE = """
mutation ($runId: String!) { launchRunReexecution(
    reexecutionParams: {parentRunId: $runId, strategy: FROM_FAILURE}
) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
} }
"""

TERMINATE = """
mutation ($runId: String!) { terminateRun(runId: $runId) { __typename } }
"""

RUN = """
query ($runId: ID!) { runOrError(runId: $runId) { __typename ... on Run {
    runId status rootRunId tags { key value } stepStats { stepKey status }
} } }
"""

RUNS = """
query ($filter: RunsFilter) { runsOrError(filter: $filter) { __typename ... on Runs { results {
    runId status rootRunId tags { key value } stepStats { stepKey status }
} } } }
"""

EVENTS = """
query ($runId: ID!) { logsForRun(runId: $runId, limit: 5000) {
    __typename ... on EventConnection { events {
        __typename
        ... on MessageEvent { message stepKey }
        ... on ExecutionStepFailureEvent { error { message causes { message } } }
    } }
} }
"""

MATERIALIZATIONS = """
query ($partitions: [String!]) { assetOrError(assetKey: {path: ["repository_points"]}) {
    __typename ... on Asset { assetMaterializations(partitions: $partitions, limit: 10) {
        runId partition metadataEntries { __typename label }
    } }
} }
"""

SENSOR = f"""
query {{ sensorOrError(sensorSelector: {{{_SELECTOR}, sensorName: "repository_freshness"}}) {{
    __typename ... on Sensor {{ id sensorState {{ id selectorId status ticks(limit: 50) {{
        status skipReason runIds timestamp error {{ message }}
    }} }} }}
}} }}
"""

START_SENSOR = f"""
mutation {{ startSensor(
    sensorSelector: {{{_SELECTOR}, sensorName: "repository_freshness"}}
) {{ __typename }} }}
"""

STOP_SENSOR = """
mutation ($id: String!) { stopSensor(id: $id) { __typename } }
"""
