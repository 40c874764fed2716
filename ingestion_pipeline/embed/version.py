"""What every vector is stamped with."""

ENCODER_VERSION = "hashbag-1"
"""Names the table, the idf, the weights and the architecture together. Two vectors compare only
under the same version; whatever changes a vector beyond rounding needs a new one."""

ENCODER_DIM = 256
"""D, the length of a dense vector."""
