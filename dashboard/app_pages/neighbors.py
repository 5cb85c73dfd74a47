from dashboard.header import open_page
from dashboard.view_state import NeighborsView

open_page(NeighborsView)
