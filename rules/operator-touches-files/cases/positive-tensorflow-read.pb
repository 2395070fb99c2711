
)
pathConst*
valueBB/etc/hostname

readReadFilepath