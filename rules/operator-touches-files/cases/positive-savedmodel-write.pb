JH
)
pathConst*
valueBB/etc/hostname

write	WriteFilepathx