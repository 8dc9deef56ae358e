"""Providers whose inboxes are fetched and whose services are provisioned, over HTTP."""
