"""Tags of runs that our own code reads back."""

JOB_TAG = "ingestion/job_id"
REQUESTED_BY_TAG = "ingestion/requested_by"
NOT_AFTER_TAG = "ingestion/not_after"
SKIPPED_TAG = "ingestion/skipped"
