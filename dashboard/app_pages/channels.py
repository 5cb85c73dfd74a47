from dashboard.header import open_page
from dashboard.view_state import ChannelsView

open_page(ChannelsView)
