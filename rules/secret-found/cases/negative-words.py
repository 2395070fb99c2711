skip = "sk-learn"; hf_hub_download_with_some_very_long_function_name()
