"""The database, whichever it is, and Redis. What is peculiar about NX-27017 stays in here."""
