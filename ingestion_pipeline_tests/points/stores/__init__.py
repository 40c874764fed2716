"""One contract suite over the fake and all adapters of the point store, and what is theirs."""
