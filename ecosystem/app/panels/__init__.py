"""Panels to read: what is being said, what happened, who an agent is, how the debate stands."""

from ecosystem.app.panels.agent_card import AgentCard
from ecosystem.app.panels.feed import Feed
from ecosystem.app.panels.ledger import Ledger
from ecosystem.app.panels.standing import Standing

__all__ = ["AgentCard", "Feed", "Ledger", "Standing"]
