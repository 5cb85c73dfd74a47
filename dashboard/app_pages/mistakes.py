from dashboard.header import open_page
from dashboard.view_state import MistakesView

open_page(MistakesView)
