from dashboard.header import open_page
from dashboard.view_state import LabView

open_page(LabView)
