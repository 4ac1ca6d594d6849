"""Whose face it is: enrolment, consent and the store."""
