"""HTTP/1.1 to a replica: its connections kept, requests out and answers in as they come, nothing added or followed."""
