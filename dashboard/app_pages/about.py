from dashboard.header import open_page
from dashboard.view_state import AboutView

open_page(AboutView)
