

ownMyCompany>SecretOp