"""Learning the encoder from repositories' own histories, and measuring what it is worth.

Belongs here: examples out of git histories (``commits``, ``prepare``, ``dataset``; ``tracked`` of
what is tracked), the losses and the loop (``chunks``, ``losses``, ``train``), a training from its
name to the installed file (``encoder``), and the three retrieval tasks with their lexical
baselines (``tasks``, ``lexical``, ``ranking``, ``evaluate``, ``report``). Does not belong here: the
network and its weights file (``embed``), how facts are read out of a file (``parse``), and how
people start a training (doors).

A repository goes in; ``prepare`` parses one commit of it and reads what later and earlier commits
say; training yields weights, evaluation a table.
"""
