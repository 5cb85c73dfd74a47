"""The Streamlit dashboard: it shows what a store holds, runs live methods, and computes nothing itself."""
