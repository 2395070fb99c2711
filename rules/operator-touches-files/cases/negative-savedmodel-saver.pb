1/

prefixPlaceholder

saveSaveV2prefix