"""Renders values (findings, plans, status) as text or JSON; pure, and decides nothing."""
