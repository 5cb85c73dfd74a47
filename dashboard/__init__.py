"""The Streamlit dashboard: it reads the store and calls the live methods; it holds no numerics."""
