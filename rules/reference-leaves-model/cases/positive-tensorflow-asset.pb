/

prefixPlaceholder2../../etc/hostname