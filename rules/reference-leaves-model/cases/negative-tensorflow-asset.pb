&

prefixPlaceholder2	vocab.txt