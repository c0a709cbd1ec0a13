//! Load balancers: a TCP forwarder on a VIP, with its sockets in a network namespace of its own.
//!
//! A thread that has entered the namespace opens every socket of one balancer; a socket keeps the namespace that
//! it was born in. The forwarder ends with this process.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::Path;
use std::thread::JoinHandle;
use std::{io, thread};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::error::Error;
use crate::topology::Listener;

mod listener;

/// A running forwarder; ends when dropped.
#[derive(Debug)]
pub(crate) struct Forwarder {
    listeners: watch::Sender<Vec<Listener>>,
    thread: Option<JoinHandle<()>>,
}

impl Forwarder {
    /// Starts forwarding in a network namespace that holds the VIP.
    pub(crate) async fn start(netns: &str, vip: Ipv4Addr, listeners: Vec<Listener>) -> Result<Self, Error> {
        let path = Path::new("/run/netns").join(netns);
        let namespace = File::open(&path).map_err(Error::file("open", &path))?;
        let (sender, receiver) = watch::channel(listeners);
        let (entered, has_entered) = oneshot::channel();
        let serve = move || {
            let runtime = move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .map_err(io::Error::from)
                .and_then(|()| tokio::runtime::Builder::new_current_thread().enable_all().build());
            match runtime {
                Ok(runtime) => {
                    let _ = entered.send(Ok(()));
                    runtime.block_on(serve(vip, receiver));
                }
                Err(error) => drop(entered.send(Err(error))),
            }
        };
        let thread = thread::Builder::new()
            .name(format!("balancer {vip}"))
            .spawn(serve);
        let thread = thread.map_err(Error::file("enter", &path))?;
        let entered = has_entered
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()));
        entered.map_err(Error::file("enter", &path))?;
        Ok(Self {
            listeners: sender,
            thread: Some(thread),
        })
    }

    /// Changes the listeners; connections of those that stay go on.
    pub(crate) fn set(&self, listeners: Vec<Listener>) {
        self.listeners.send_replace(listeners);
    }

    /// Ends the forwarder and all its connections.
    pub(crate) async fn stop(mut self) {
        let thread = self.thread.take();
        drop(self);
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

/// Runs a task per listener, until the sender of the configuration is gone.
async fn serve(vip: Ipv4Addr, mut wanted: watch::Receiver<Vec<Listener>>) {
    let mut tasks = JoinSet::new();
    let mut running: BTreeMap<u16, watch::Sender<Listener>> = BTreeMap::new();
    loop {
        let listeners = wanted.borrow_and_update().clone();
        running.retain(|port, _| listeners.iter().any(|listener| listener.port == *port));
        for listener in listeners {
            match running.get(&listener.port) {
                Some(sender) => {
                    sender.send_if_modified(|current| {
                        let changed = *current != listener;
                        *current = listener;
                        changed
                    });
                }
                None => {
                    let (sender, receiver) = watch::channel(listener.clone());
                    running.insert(listener.port, sender);
                    tasks.spawn(listener::run(vip, listener.port, receiver));
                }
            }
        }
        while tasks.try_join_next().is_some() {}
        if wanted.changed().await.is_err() {
            return;
        }
    }
}
