"""Who a person is: declared facts, country, age, profiles."""
