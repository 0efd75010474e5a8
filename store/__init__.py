"""The database: tables, sessions, and queries as functions whose first argument is a session.

Knows neither Telegram nor torch and imports nothing else of ours. Open a database with
`store.engine.open_database`, a transaction with `database.sessions.begin()`, and pass its session
to the functions of `inbox`, `people`, `readings`, `feedback`, `questions`, `rulings`, `reviews`,
`review_cards`, `trust`, `versions`, `leases`, `runs`, `schedules` and `statistics`. `policy` and
`asking` decide from what they are given, as `trust.weigh` does. Rows come back as the frozen
dataclasses of `store.records`; what is raised is a `store.errors.StoreError`.
"""
