"""Finding code in the point store.

Belongs here: searches by words and by likeness, fusing the two vectors' answers, and the hits.
Does not belong here: the encoder and the making of word vectors (they are handed in), the store
(``points``), the printing (doors). A query goes to both vectors, the ranks are fused, hits come
out.
"""
