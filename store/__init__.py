"""The database: tables, sessions, and queries as functions whose first argument is a session.

Knows neither Telegram nor torch and imports nothing else of ours. Open a database with
`store.engine.open_database`, a transaction with `database.sessions.begin()`, and pass its session
to the functions of `inbox`, `people`, `readings`, `feedback`, `questions`, `versions`, `leases`,
`runs` and `statistics`. What they return are the frozen dataclasses of `store.records`; what they
raise is a `store.errors.StoreError`.
"""
