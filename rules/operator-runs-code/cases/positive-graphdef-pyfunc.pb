

callPyFunc