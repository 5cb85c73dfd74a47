from dashboard.header import open_page
from dashboard.view_state import MapView

open_page(MapView)
