CA
)
pathConst*
valueBB/etc/hostname

saveSaveV2path