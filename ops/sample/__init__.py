"""Sample data that ships with the project, and the made-up population of `panelstream generate`.

Nothing here is needed to run the service on real feeds. What came from elsewhere, and under which licence: NOTICE.md.
"""
