"""Publishes through a broker's ingress."""

from shared.events.event import CloudEvent
from shared.events.signing import Signer
from shared.publish.poster import Poster


class BrokerSink:
    """One POST an event. The broker delivers, retries and keeps what cannot be delivered."""

    def __init__(self, url: str, signer: Signer, poster: Poster) -> None:
        self._url = url
        self._signer = signer
        self._poster = poster

    async def publish(self, event: CloudEvent) -> None:
        await self._poster.post(self._url, self._signer.sign(event))

    async def close(self) -> None:
        await self._poster.close()
