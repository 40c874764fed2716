"""Outgoing webhooks: telling those who asked that a job of theirs ended.

Belongs here: which addresses may be reached, the signature, one HTTP request and what its answer
means, and when to try again. Does not belong here: which events there are and what they say
(``orchestration`` and ``api``), where deliveries wait (``state``), and the webhooks that come in
(``freshness.webhook``).

The way of an event: ``make_delivery`` → ``DeliveryStore.add_delivery`` → ``deliver_due``, which
claims it, has ``WebhookSender`` sign and send it, and records what came of it.

An event arrives at least once: a sender that dies between sending and recording sends again, with
the same ``webhook-id``, by which receivers tell.
"""
