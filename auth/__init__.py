"""Who somebody is: accounts, passwords, sessions, links, registration, moderation."""
