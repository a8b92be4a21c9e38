"""The pages /people and /person: who belongs here, invitations, and what moderators do."""
