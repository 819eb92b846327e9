"""placeholder until library B lands"""
