"""Names and sizes of what encoders make."""

UNTRAINED = "hashbag-1"
"""The version of the weights that no training has moved. Versions name the table, the idf, the
weights and the architecture together. Two vectors compare only under the same version; whatever
changes a vector beyond rounding needs a new one."""

TRAINED = "codegraph-1"
"""The version of the trained weights that ship with this package."""

SHIPPED_VERSIONS = (UNTRAINED, TRAINED)

ENCODER_VERSION = TRAINED
"""The encoder in use where nobody chose."""

ENCODER_DIM = 256
"""D, the length of the vector ``text``."""

RELATED_DIM = 128
"""R, the length of the vector ``related``."""
