"""Other sites, other hosts, and other people's floods: guard, headers, addresses, limits, keys."""
